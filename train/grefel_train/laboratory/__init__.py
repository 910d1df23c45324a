"""Heads on stored features of a frozen encoder: setups compared in minutes, before long runs confirm them."""
