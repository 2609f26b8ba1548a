"""What the stream calls of both clients share: sentences in, requests out, room for so many, errors by sentence."""
