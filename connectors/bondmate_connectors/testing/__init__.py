"""The contract suite every connector must pass, for ours and for anybody's."""
