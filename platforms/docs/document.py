"""What a dialect tells of itself for its OpenAPI document, beside its endpoints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokens.endpoints import Dialect, Endpoint

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One dialect, for its document: what the endpoints can't say themselves."""

    name: str
    """Of the file and the page: lower case."""
    title: str
    description: str
    """In Markdown; what all dialects share is added."""
    prefix: str
    """The path that all of the dialect's addresses begin with, with slashes around it."""
    dialect: Dialect
    endpoints: Sequence[Endpoint]
    security: Mapping[str, Schema]
    """The security schemes; a call needs them all."""
    refusal: Schema
    """The schema of the body of a refusal."""
    wrap_schema: Callable[[Endpoint, Schema], Schema] = lambda _endpoint, data: data
    """The schema of a success body around the schema of its data."""
    wrap_example: Callable[[Endpoint, Any], Any] = lambda _endpoint, data: data
    examples: Mapping[Any, Any] = field(default_factory=dict)
    """An example of each type of a body or of data, as JSON values."""
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    """By name, what is merged into the schema that msgspec makes; of a name that it does not make, the whole schema."""
    parameters: Mapping[str, Schema] = field(default_factory=dict)
    """By name of a value in the path, its schema where the path's converter says too little."""
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By operationId, the parameters of the query without which the operation's own rules refuse a call."""
    headers: Callable[[Endpoint], Sequence[Schema]] = lambda _endpoint: ()
    """The parameters of an endpoint that are headers of this dialect's own."""
    versioned: frozenset[Any] = frozenset()
    """The types of data that come with an ETag."""
    links: Mapping[str, Mapping[str, Schema]] = field(default_factory=dict)
    """By operationId, the links of its success."""
