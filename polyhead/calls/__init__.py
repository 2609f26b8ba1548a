"""The calls of each service, for the sync client and for the asyncio one; the clients put them together."""
