"""`polyhead predict` and `polyhead embed`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from polyhead.cli import plot as plots
from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out, out, print_json, to_plain
from polyhead.cli.sentences import in_requests, read_sentences
from polyhead.cli.session import connect
from polyhead.cli.similarity import cosine_matrix
from polyhead.cli.tables import embedding_table, prediction_table, similarity_table
from polyhead.cli.vectors import write_vectors
from polyhead.client import Client
from polyhead.results import EmbedResult, PredictResult, SentenceEmbedding, SentenceResult

Texts = Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Sentences; without: --file or stdin.")]
TextFile = Annotated[
    Path | None, typer.Option("--file", "-f", help="Read sentences from a file, one a line; - is stdin.")
]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="VERSION|ALIAS", help="Ask this version or alias, not what is stable.")
]
RoutingKey = Annotated[str, typer.Option(help="While a canary runs, one key always meets the same version.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def predict(
    context: typer.Context,
    texts: Texts = None,
    file: TextFile = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated. Default: all.")] = None,
    embedding: Annotated[bool, typer.Option("--embedding", help="Also return the sentences' embeddings.")] = False,
    refuse_long: Annotated[
        bool, typer.Option("--refuse-long", help="Refuse sentences over the model's window, do not cut them.")
    ] = False,
    model: ModelOption = "",
    routing_key: RoutingKey = "",
    as_json: AsJson = False,
) -> None:
    """Classify sentences."""
    sentences = read_sentences(texts, file)
    results: list[SentenceResult] = []
    answers: list[PredictResult] = []
    with connect(context) as client:
        for portion in in_requests(client, sentences):
            answers.append(
                client.predict(
                    portion,
                    tasks=task or (),
                    include_embedding=embedding,
                    truncation="refuse" if refuse_long else "truncate",
                    model=model or None,
                    routing_key=routing_key,
                )
            )
            results += answers[-1].results
    _warn_of_change({answer.model_version for answer in answers})
    if as_json:
        body = to_plain(answers[-1])
        body["results"] = [
            {"sentence": text, **to_plain(result)} for text, result in zip(sentences, results, strict=True)
        ]
        print_json(body)
    else:
        out.print(prediction_table(sentences, results, answers[-1].model_version))


def embed(
    context: typer.Context,
    texts: Texts = None,
    file: TextFile = None,
    similarity: Annotated[
        bool, typer.Option("--similarity", help="Print the cosine similarity of every pair.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the sentences in two dimensions into this image.")] = None,
    method: Annotated[Literal["tsne", "pca"], typer.Option(help="How --plot finds two dimensions.")] = "pca",
    dimensions: Annotated[int, typer.Option(min=0, help="Keep the first so many values; 0: all.")] = 0,
    save: Annotated[Path | None, typer.Option("--out", help="Write the vectors: .jsonl or .npy (float32).")] = None,
    model: ModelOption = "",
    routing_key: RoutingKey = "",
    as_json: AsJson = False,
) -> None:
    """Embed sentences: vectors, their similarity, a picture."""
    sentences = read_sentences(texts, file)
    if plot is not None:
        plots.check(plot, len(sentences))
    if save is not None and save.suffix not in {".jsonl", ".npy"}:
        raise UsageError(f"--out {save}: the name must end in .jsonl or .npy")
    with connect(context) as client:
        answer, embeddings = _embed_all(client, sentences, dimensions, model or None, routing_key)
    vectors = [item.values for item in embeddings]
    if save is not None:
        write_vectors(save, sentences, vectors)
        errors_out.print(f"{len(vectors)} vectors of {len(vectors[0])} values written to {save}")
    if plot is not None:
        plots.draw(plot, sentences, vectors, method)
        errors_out.print(f"drawn with {method} into {plot}")
    matrix = cosine_matrix(vectors) if similarity else None
    if as_json:
        body = to_plain(answer)
        body["embeddings"] = [
            {"sentence": text, **to_plain(item)} for text, item in zip(sentences, embeddings, strict=True)
        ]
        print_json(body if matrix is None else {**body, "similarity": matrix})
    elif matrix is not None:
        out.print(similarity_table(sentences, matrix))
    elif save is None and plot is None:
        out.print(embedding_table(sentences, embeddings, answer.model_version))


def _embed_all(
    client: Client, sentences: Sequence[str], dimensions: int, model: str | None, routing_key: str
) -> tuple[EmbedResult, list[SentenceEmbedding]]:
    """The last answer, and the embeddings of all; all of one encoder, even if the model changes in between."""
    answer: EmbedResult | None = None
    embeddings: list[SentenceEmbedding] = []
    for portion in in_requests(client, sentences):
        expected = answer.encoder_id if answer else ""
        answer = client.embed(
            portion, dimensions=dimensions, expect_encoder_id=expected, model=model, routing_key=routing_key
        )
        embeddings += answer.embeddings
    assert answer is not None  # read_sentences returns at least one
    return answer, embeddings


def _warn_of_change(versions: set[int]) -> None:
    if len(versions) > 1:
        shown = ", ".join(map(str, sorted(versions)))
        errors_out.print(f"note: the model changed between requests; versions {shown} answered")
