"""Both agents as processes, doing what a person would have them do."""
