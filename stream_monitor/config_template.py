"""The configuration as a commented YAML file and as a JSON Schema, both with the words that stand beside each setting.

A setting is described once, by the docstring below it (or its `description`) in its component. This module reads those
words; it knows nothing of what they say.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel

_WIDTH = 110


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What each field of a model means: its `description`, else the docstring below it, else that of its type."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    found: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        value = following.value if isinstance(following, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[statement.target.id] = inspect.cleandoc(value.value)
    for name, field in model.model_fields.items():
        below = group(model, name)
        if field.description:
            found[name] = field.description
        elif name not in found and below is not None and below.__doc__:
            found[name] = inspect.cleandoc(below.__doc__).splitlines()[0]
    inherited = [
        descriptions(base) for base in model.__bases__ if base is not BaseModel and issubclass(base, BaseModel)
    ]
    return {**{name: text for words in inherited for name, text in words.items()}, **found}


def group(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of a field that is a group of keys; None for a value."""
    below = model.model_fields[name].annotation
    return below if isinstance(below, type) and issubclass(below, BaseModel) else None


def template(model: type[BaseModel], values: dict[str, Any], indent: int = 0) -> str:
    """Commented YAML of a model's values.

    Args:
        model: The model.
        values: Its values as `model_dump(mode="json")` gives them.
        indent: Columns.
    """
    space = " " * indent
    lines: list[str] = []
    words = descriptions(model)
    for name, value in values.items():
        text = " ".join(words.get(name, "").split())
        lines += [f"{space}# {line}" for line in textwrap.wrap(text, _WIDTH - indent)]
        below = group(model, name)
        if below is not None:
            lines += [f"{space}{name}:", template(below, value, indent + 2).rstrip("\n")]
        else:
            written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
            lines.append(f"{space}{name}: {written.removesuffix('...' + chr(10)).strip()}")
    return "\n".join(lines) + "\n"


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model, with every field's description."""
    found = model.model_json_schema()
    for each in (model, *_groups(model)):
        part = found if each is model else found["$defs"][each.__name__]
        for name, text in descriptions(each).items():
            if name in part.get("properties", {}):
                part["properties"][name].setdefault("description", " ".join(text.split()))
    return found


def _groups(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Every model below a model."""
    below = [each for name in model.model_fields if (each := group(model, name)) is not None]
    return below + [deeper for each in below for deeper in _groups(each)]
