"""Pure translators, one standard each: bytes to canonical events and back."""
