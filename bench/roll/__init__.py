"""How long alerts stand still while streams workers join, leave, and are restarted one after the other."""
