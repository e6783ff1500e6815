"""Routes and agreements as the hub applies them: versions, what `hub lint` warns of, what a destination sees."""
