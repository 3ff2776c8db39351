import pytest

from responder.clients.promql import escaped, why_not_fillable


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("api-1", "api-1"),
        ('a"} or up{x="', "a\\x22} or up{x=\\x22"),
        ("a'b\\c", "a\\x27b\\x5cc"),
        ("a\nb", "a\\x0ab"),
        ("caché", "caché"),
    ],
)
def test_a_value_cannot_end_the_quotes(value: str, content: str) -> None:
    assert escaped(value) == content


@pytest.mark.parametrize(
    "query",
    [
        "up",
        'up{pod="{{ labels.pod }}"}',
        'up{pod=\'{{ labels.pod }}\', x="a\\"{{labels.x}}"}',
        'sum(up) # nothing here\n+ up{pod="{{ labels.pod }}"}',
        'label_replace(up, "a", "`", "b", "{{ labels.x }}")',
    ],
)
def test_inside_quotes_a_template_can_be_filled(query: str) -> None:
    assert why_not_fillable(query) is None


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("up{pod={{ labels.pod }}}", "{{ labels.pod }} stands outside quotes"),
        ('up{pod="a\\\\"} or {{labels.pod}}', "{{labels.pod}} stands outside quotes"),
        ("up{pod=`{{ labels.pod }}`}", "{{ labels.pod }} stands outside quotes"),
        ('up # "{{ labels.pod }}"', "a template stands in a comment"),
        ("up # '\n{{ labels.pod }}", "{{ labels.pod }} stands outside quotes"),
    ],
)
def test_elsewhere_it_cannot(query: str, why: str) -> None:
    assert why_not_fillable(query) == why
