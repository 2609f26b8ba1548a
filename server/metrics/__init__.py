"""Prometheus metrics: the only place that knows them. The other rooms call plain observers, which stand here too.

Names of calls are those of go-grpc-prometheus, so that dashboards fit; all others begin with `polyhead_`. Units are
base units: seconds, bytes, tokens.
"""
