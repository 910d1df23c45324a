"""The network, which travels to the Hub: its files import siblings only (`remote_code` takes more along)."""
