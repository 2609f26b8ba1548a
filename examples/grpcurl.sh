#!/bin/sh
# Polyhead from a shell, without a line of Python: grpcurl learns the calls from the server (gRPC reflection).
#
#     examples/grpcurl.sh [host:port]
set -eu
server="${1:-127.0.0.1:50051}"

if ! command -v grpcurl >/dev/null; then
    echo "grpcurl is not installed. Get it from https://github.com/fullstorydev/grpcurl, or: brew install grpcurl" >&2
    exit 127
fi

call() { # method, request as JSON
    echo "== $1 $2"
    grpcurl -plaintext -d "$2" "$server" "$1"
}

grpcurl -plaintext "$server" list
grpcurl -plaintext "$server" describe polyhead.v1.PredictRequest

call grpc.health.v1.Health/Check '{"service": "polyhead.v1.InferenceService"}'
call polyhead.v1.ModelService/GetServerInfo '{}'
call polyhead.v1.InferenceService/Predict '{"sentences": ["what a lovely day", "the train is late"]}'
call polyhead.v1.InferenceService/Embed '{"sentences": ["what a lovely day"], "dimensions": 4}'
call polyhead.v1.TrainingService/ListJobs '{"page_size": 5}'
