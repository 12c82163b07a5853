"""Cost at scale: from measured tokens to dollars a month."""
