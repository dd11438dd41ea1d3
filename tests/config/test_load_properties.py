"""Whatever is written: loading gives a configuration or a ConfigError of printable problems."""

from datetime import date, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway_auth.config import Configuration, load
from gateway_auth.config.examine import examine
from gateway_auth.config.schema import Document
from gateway_auth.config.shape import is_list, model_of
from gateway_auth.errors import ConfigError
from tests.config.writing import ENVIRON, PEPPER

ANY_TEXT = st.text(st.characters(), max_size=12)
TELLING = st.sampled_from(
    ["", "env:GATEWAY_AUTH_PEPPER", "file:/", "10/minute", "10.0.0.0/8", "::/0", "unix", "/a/{b}", "/{c:path}",
     "GET", "key", "public", "optional", "http://[::1", "http://a", "127.0.0.1:80", "[::]:80", "a:*", "*",
     "x-api-key", "sqlite:///a", "postgresql://", "https://*.a/*", "leased", "jwt", "api_key", "exact"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | TELLING | st.binary(max_size=4)
    | st.sampled_from([10**4000, date(2026, 1, 1), datetime(2026, 1, 1), object()])  # noqa: DTZ001
)  # fmt: skip


def shaped(annotation: object) -> st.SearchStrategy[object]:
    """Values that often have the form the schema asks for."""
    model = model_of(annotation)
    if model is not None:
        return table_of(model)
    if is_list(annotation):
        inner = annotation.__args__[0] if hasattr(annotation, "__args__") else None
        return st.lists(shaped(inner) | SCALARS, max_size=3)
    return SCALARS


def table_of(model: type[BaseModel]) -> st.SearchStrategy[object]:
    """Tables with some of the model's keys, and sometimes others."""
    known = {key: shaped(field.annotation) for key, field in model.model_fields.items()}
    return st.builds(
        lambda right, wrong: {**right, **wrong},
        st.fixed_dictionaries({}, optional=known),
        st.dictionaries(ANY_TEXT | st.integers(), SCALARS, max_size=1),
    )


NESTED: st.SearchStrategy[object] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(ANY_TEXT | st.sampled_from([*Document.model_fields, "limits", "id"]), inner, max_size=4)
    ),
    max_leaves=20,
)
MAPPINGS = table_of(Document) | st.dictionaries(
    st.sampled_from([*Document.model_fields]) | ANY_TEXT, NESTED, max_size=5
)
VARIABLES = st.dictionaries(
    st.builds(
        lambda parts: "GATEWAY_AUTH_" + "__".join(parts),
        st.lists(st.sampled_from([*Document.model_fields, "0", "1", "limits", "failed_auth", "a", ""]), max_size=5),
    ),
    ANY_TEXT | TELLING | st.sampled_from(["[]", "{}", "{a = 1}", "[[1]]", "true", "1", '"a"', "[" * 5000]),
    max_size=4,
)
PATIENT = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(MAPPINGS, VARIABLES)
def test_loading_raises_nothing_but_a_configuration_error(source: dict[str, object], variables: dict[str, str]) -> None:
    try:
        configuration: Configuration | ConfigError = load(source, environ=variables | ENVIRON)
    except ConfigError as error:
        configuration = error
    if isinstance(configuration, ConfigError):
        assert configuration.problems
        assert all(str(problem).isprintable() for problem in configuration.problems)
        assert PEPPER not in str(configuration)


@PATIENT
@given(NESTED)
def test_the_schema_takes_anything_under_any_section(value: object) -> None:
    for section in Document.model_fields:
        for problem in examine({section: value}).problems:
            assert problem.path
            assert str(problem).isprintable()
