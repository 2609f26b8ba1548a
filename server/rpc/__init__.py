"""The transport: one short method per RPC, pure conversions, error class -> status in one table, the interceptor."""
