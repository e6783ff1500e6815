"""The composition root: settings, command line, roles, embedded broker and registry."""
