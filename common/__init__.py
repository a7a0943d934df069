"""What both agents and the operator's command share; it imports none of them."""
