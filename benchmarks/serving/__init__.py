"""The server against the raw engine, against first-in-first-out batches, under overload, and through many releases.

Load comes from h2load (Debian: nghttp2-client), which costs little and whose CPU is told; sentences are real tweets
where DATA_MIRROR has them. Ratios are medians over interleaved pairs, since machines drift, counted in tokens/s, since
in a closed loop short sentences come round more often. Shared computation of identical sentences is off.
"""
