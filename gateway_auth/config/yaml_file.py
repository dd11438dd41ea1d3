"""Reading YAML without its sharp edges: plain values, no key twice. PyYAML is loaded when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_auth.config.problems import one_line
from gateway_auth.errors import ConfigError, Problem

if TYPE_CHECKING:
    import yaml


def parse_yaml(content: str, name: str) -> object:
    """What the one document in `content` says. Raises ConfigError; no line of the file is repeated."""
    try:
        import yaml
    except ImportError as error:
        message = "needs PyYAML to be read: pip install 'gateway-auth[yaml]', or write TOML"
        raise ConfigError([Problem(one_line(name), message)]) from error

    class Loader(yaml.SafeLoader):
        """The safe loader, which by itself lets the last of two equal keys win in silence."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
            _refuse_repeated_keys(node)
            mapping: dict[object, object] = super().construct_mapping(node, deep)
            return mapping

    loader: yaml.SafeLoader | None = None
    try:
        loader = Loader(content)
        return loader.get_single_data()
    except RecursionError:
        raise ConfigError([Problem(one_line(name), "is nested too deeply")]) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise ConfigError([Problem(one_line(name), f"is not YAML: {_explain(error)}")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_repeated_keys(node: yaml.MappingNode) -> None:
    from yaml import ScalarNode
    from yaml.constructor import ConstructorError

    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            continue
        spelled = (key.tag, key.value)
        if spelled in seen:
            raise ConstructorError(None, None, f"the key {key.value!r:.64} stands twice", key.start_mark)
        seen.add(spelled)


def _explain(error: Exception) -> str:
    """PyYAML's reason and line. Its full text would quote the file, and a secret may stand there."""
    reason = getattr(error, "problem", None) or "a value cannot be read"
    mark = getattr(error, "problem_mark", None)
    return one_line(str(reason)[:200]) + (f" (at line {mark.line + 1})" if mark is not None else "")
