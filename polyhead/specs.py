"""Job specs and free-form results between plain data (recipes, JSON) and wire messages, generically by descriptor.

Field names are those of the proto. An enum value is written without its type's prefix, in lower case:
`FREEZE_POLICY_BACKBONE` is `backbone`. Owns form only: whether values make sense is for the server to say.
Pure functions, any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from polyhead.errors import FieldViolation, RecipeError
from polyhead.v1 import training_pb2

_INTEGERS = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
_FLOATS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


def spec_to_message(spec: Mapping[str, Any]) -> training_pb2.JobSpec:
    """Build the wire's JobSpec from a recipe. A field that is None is not given, so it has its default.

    Raises:
        RecipeError: with one violation for every unknown field and every value of the wrong kind.
    """
    message = training_pb2.JobSpec()
    violations: list[FieldViolation] = []
    _fill(message, spec, "", violations)
    if violations:
        summary = "; ".join(str(violation) for violation in violations)
        raise RecipeError(f"the job spec cannot be sent: {summary}", tuple(violations))
    return message


def message_to_spec(message: training_pb2.JobSpec) -> dict[str, Any]:
    """The set fields of a JobSpec as plain data. An enum number that has no name stays a number."""
    return dict(_plain(message))


def to_struct(body: Mapping[str, Any]) -> Struct:
    """Plain JSON-like data as a Struct. Numbers become doubles."""
    return json_format.ParseDict(dict(body), Struct())


def from_struct(struct: Struct) -> dict[str, Any]:
    """A Struct as plain data; whole numbers come back as int."""
    return {name: _value(value) for name, value in struct.fields.items()}


def _fill(message: Message, body: object, path: str, violations: list[FieldViolation]) -> None:
    if isinstance(message, Value):
        _fill_value(message, body, path, violations)
        return
    if not isinstance(body, Mapping):
        violations.append(FieldViolation(path or "spec", f"needs fields with values (got {body!r})"))
        return
    fields = cast(Mapping[str, FieldDescriptor], message.DESCRIPTOR.fields_by_name)
    for name, value in body.items():
        where = f"{path}.{name}" if path else str(name)
        field = fields.get(str(name))
        if field is None:
            known = ", ".join(sorted(fields))
            violations.append(FieldViolation(where, f"unknown field; known here: {known}"))
        elif value is None:
            continue
        elif _is_map(field):
            _fill_map(message, field, value, where, violations)
        elif field.is_repeated:
            _fill_repeated(message, field, value, where, violations)
        elif field.message_type is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            _fill(part, value, where, violations)
        else:
            scalar = _scalar(field, value, where, violations)
            if scalar is not None:
                setattr(message, field.name, scalar)


def _fill_map(
    message: Message, field: FieldDescriptor, body: object, where: str, violations: list[FieldViolation]
) -> None:
    if not isinstance(body, Mapping):
        violations.append(FieldViolation(where, f"needs keys with values (got {body!r})"))
        return
    entry: Any = field.message_type
    for key, value in body.items():
        wire_key = _scalar(entry.fields_by_name["key"], key, where, violations)
        if entry.fields_by_name["value"].message_type is not None:
            if wire_key is not None:
                part = getattr(message, field.name)[wire_key]
                _fill(part, value, f"{where}[{key}]", violations)
            continue
        wire_value = _scalar(entry.fields_by_name["value"], value, f"{where}[{key}]", violations)
        if wire_key is not None and wire_value is not None:
            getattr(message, field.name)[wire_key] = wire_value


def _fill_value(message: Value, body: object, path: str, violations: list[FieldViolation]) -> None:
    """Any plain data."""
    try:
        json_format.ParseDict(body, message)  # type: ignore[arg-type]
    except (json_format.ParseError, TypeError, ValueError):
        violations.append(FieldViolation(path, f"needs a text, a number, true, false, a list or fields (got {body!r})"))


def _fill_repeated(
    message: Message, field: FieldDescriptor, body: object, where: str, violations: list[FieldViolation]
) -> None:
    if not isinstance(body, list | tuple):
        violations.append(FieldViolation(where, f"needs a list (got {body!r})"))
        return
    target = getattr(message, field.name)
    for index, value in enumerate(body):
        if field.message_type is not None:
            _fill(target.add(), value, f"{where}[{index}]", violations)
            continue
        scalar = _scalar(field, value, f"{where}[{index}]", violations)
        if scalar is not None:
            target.append(scalar)


def _scalar(
    field: FieldDescriptor, value: object, where: str, violations: list[FieldViolation]
) -> str | bool | int | float | None:
    """The value as the field holds it, or None and a violation."""
    wire: str | bool | int | float | None = None
    if field.enum_type is not None:
        names = _names(field.enum_type)
        if isinstance(value, bool):  # YAML 1.1 reads a bare `on` and `off` so
            value = "on" if value else "off"
        wire, need = names.get(value) if isinstance(value, str) else None, f"one of {', '.join(names)}"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        wire, need = _string(value), "a text; put it in quotes"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        wire, need = value if isinstance(value, bool) else None, "true or false"
    elif field.cpp_type in _FLOATS:
        wire, need = _float(value), "a number"
    else:
        bits = _INTEGERS[field.cpp_type]
        fits = isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
        wire, need = value if fits and isinstance(value, int) else None, f"a whole number below 2^{bits}"
    if wire is None:
        violations.append(FieldViolation(where, f"needs {need} (got {value!r})"))
    return wire


def _string(value: object) -> str | None:
    # YAML reads the labels 0 and 1 as numbers, which is meant; `yes` and 1.0 as bool and float, which loses the text.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _float(value: object) -> float | None:
    # YAML 1.1 reads 1e-4, with no point in it, as a text.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _plain(message: Message) -> Any:
    if isinstance(message, Value):
        return _value(message)
    body: dict[str, Any] = {}
    for field, value in message.ListFields():
        if _is_map(field):
            entry: Any = field.message_type
            body[field.name] = {key: _plain_one(entry.fields_by_name["value"], item) for key, item in value.items()}
        elif field.is_repeated:
            body[field.name] = [_plain_one(field, item) for item in value]
        else:
            body[field.name] = _plain_one(field, value)
    return body


def _plain_one(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        return next((name for name, number in _names(field.enum_type).items() if number == value), value)
    return value


def _names(enum: EnumDescriptor) -> dict[str, int]:
    """Short names of an enum's values, without the unspecified one."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number != 0}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in {"null_value", None} else getattr(value, kind)
