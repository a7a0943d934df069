"""The source agent, part by part."""
