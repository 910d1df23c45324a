"""The network: exactly the files that travel to the Hub, so they import siblings only."""
