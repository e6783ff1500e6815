"""The API that devices speak: who calls, what they may say, what becomes of it, and what they are answered."""
