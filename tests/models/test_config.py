"""models.yaml: what a sound row becomes, and what each kind of wrong row is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.models import config
from evalkit.models.config import choose, find_models_file, load_models
from evalkit.models.table import ProviderRow
from evalkit.types import Gpu, Model, PriceTier


def load(folder: Path, *rows: str) -> dict[str, Model]:
    """Load a models file with these rows, each starting on a line of its own, the first on line 2."""
    path = folder / "models.yaml"
    path.write_text("models:\n" + "".join(f"  {row}\n" for row in rows), encoding="utf-8")
    return load_models(path)


def one(folder: Path, row: str) -> Model:
    return load(folder, f"m: {{{row}}}")["m"]


def problem(folder: Path, *rows: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, *rows)
    assert not isinstance(caught.value, ConfigErrors), caught.value
    return caught.value


def test_a_vendors_row_fills_itself_from_the_table(tmp_path):
    model = one(tmp_path, "provider: openai, model: gpt-4o-mini")
    assert model.base_url == "https://api.openai.com/v1"
    assert model.api_key_env == "OPENAI_API_KEY"
    assert model.key_required
    assert not model.self_hosted
    assert model.max_tokens_field == "max_completion_tokens"
    assert str(model.where) == f"{tmp_path / 'models.yaml'}:2:3"


def test_everything_a_row_can_say(tmp_path):
    model = one(
        tmp_path,
        "provider: vllm, model: a/b, base_url: 'http://10.0.0.5:8000/v1', api_key_env: MY_KEY, timeout_s: 7, "
        "params: {temperature: 0, seed: null}, price: {input: 1, output: 2.5, cached_input: 0.5, as_of: 2026-11-01}, "
        "limits: {concurrency: 3}, data_policy: local, license: mit",
    )
    assert (model.model, model.base_url, model.api_key_env) == ("a/b", "http://10.0.0.5:8000/v1", "MY_KEY")
    assert (model.timeout_s, model.concurrency, model.data_policy, model.license) == (7.0, 3, "local", "mit")
    assert model.params == {"temperature": 0, "seed": None}
    assert model.price is not None
    assert (model.price.input, model.price.output, model.price.cached_input) == (1, 2.5, 0.5)
    assert (model.price.cache_write, model.price.source, model.price.as_of) == (None, "models.yaml", "2026-11-01")


def test_what_is_not_said_is_the_cautious_choice(tmp_path):
    model = one(tmp_path, "provider: openai, model: a")
    assert (model.verify, model.warmup, model.auto, model.concurrency) == (True, 0, False, None)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    "address", ["", ", base_url: 'https://10.0.0.5/v1'", ", base_url: 'https://localhost:8443/v1'"]
)
def test_the_certificate_of_a_server_may_go_unchecked(tmp_path, address, verify):
    assert one(tmp_path, f"provider: openai, model: a{address}, verify: {str(verify).lower()}").verify is verify


@pytest.mark.parametrize(
    "provider", ["provider: vllm, model: a", "provider: local, weights: a", "provider: python, function: 'a.py:f'"]
)
@pytest.mark.parametrize("calls", [0, 1, 1000])
def test_a_model_can_be_warmed_up(tmp_path, provider, calls):
    assert one(tmp_path, f"{provider}, warmup: {calls}").warmup == calls


def test_how_many_calls_a_model_can_take_may_be_found_out(tmp_path):
    model = one(tmp_path, "provider: openai, model: a, limits: {concurrency: auto, rpm: 60}")
    assert (model.concurrency, model.auto, model.rpm, model.tpm) == (None, True, 60, None)
    model = one(tmp_path, "provider: openai, model: a, limits: {concurrency: 7, tpm: 9}")
    assert (model.concurrency, model.auto, model.rpm, model.tpm) == (7, False, None, 9)


def test_a_price_can_name_its_own_source(tmp_path):
    model = one(tmp_path, "provider: openai, model: a, price: {input: 1, output: 2, source: our contract}")
    assert model.price is not None
    assert model.price.source == "our contract"


def test_without_a_price_the_cost_stays_unknown(tmp_path):
    assert one(tmp_path, "provider: openai, model: a").price is None


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example.com/v1",
        "http://10.0.0.5:8000/v1",
        "http://api.openai.com/v1",  # the vendor's own name, but in plain text
        "https://api.openai.com.example.net/v1",
        "https://api.openai.com:8443/v1",
    ],
)
def test_a_vendors_key_goes_to_no_other_address(tmp_path, base_url):
    model = one(tmp_path, f"provider: openai, model: a, base_url: '{base_url}'")
    assert model.api_key_env is None
    assert not model.key_required
    assert model.self_hosted
    assert model.max_tokens_field == "max_tokens"


def test_the_vendors_address_spelled_out_is_still_the_vendor(tmp_path):
    model = one(tmp_path, "provider: openai, model: a, base_url: 'https://api.openai.com/v1/'")
    assert model.api_key_env == "OPENAI_API_KEY"
    assert model.key_required
    assert not model.self_hosted
    assert model.max_tokens_field == "max_completion_tokens"


def test_a_remote_host_with_its_own_key_is_not_probed_as_a_server_of_the_users(tmp_path):
    model = one(tmp_path, "provider: openai, model: a, base_url: 'https://api.example.com/v1', api_key_env: THEIR_KEY")
    assert model.api_key_env == "THEIR_KEY"
    assert model.key_required
    assert not model.self_hosted


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_loopback_needs_no_key_but_may_have_one(tmp_path, host):
    model = one(tmp_path, f"provider: openai, model: a, base_url: 'http://{host}/v1', api_key_env: TRIAGE_KEY")
    assert model.api_key_env == "TRIAGE_KEY"
    assert not model.key_required
    assert model.self_hosted


def test_azure_keeps_its_key_at_the_address_it_has_to_be_given(tmp_path):
    model = one(tmp_path, "provider: azure, model: a, base_url: 'https://res.openai.azure.com/openai/v1'")
    assert model.api_key_env == "AZURE_OPENAI_API_KEY"
    assert model.max_tokens_field == "max_completion_tokens"


def test_mistral_calls_the_seed_by_another_name(tmp_path):
    assert one(tmp_path, "provider: mistral, model: a").seed_field == "random_seed"


def test_what_goes_along_with_every_request(tmp_path):
    model = one(
        tmp_path,
        "provider: anthropic, model: a, headers: {Anthropic-Version: '2026-10-21', X-Team: evals}, "
        "query: {api-version: '2024-10-21'}, options: {a: [1]}",
    )
    assert model.headers == {"anthropic-version": "2026-10-21", "x-team": "evals"}
    assert (model.query, model.options) == ({"api-version": "2024-10-21"}, {"a": [1]})
    assert (model.key_header, model.key_prefix) == ("x-api-key", "")


def test_a_region_is_part_of_the_address_where_a_vendor_has_one_per_region(tmp_path):
    model = one(tmp_path, "provider: bedrock, model: a, region: eu-central-1")
    assert model.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert (model.region, model.api_key_env, model.self_hosted) == ("eu-central-1", "AWS_BEARER_TOKEN_BEDROCK", False)


def test_a_regional_address_spelled_out_is_still_the_vendor(tmp_path):
    address = "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert one(tmp_path, f"provider: bedrock, model: a, base_url: '{address}'").key_required
    elsewhere = one(tmp_path, "provider: bedrock, model: a, base_url: 'https://bedrock-runtime.evil.example'")
    assert elsewhere.api_key_env is None


def test_elsewhere_a_region_is_a_fact_for_the_reader(tmp_path):
    model = one(tmp_path, "provider: openai, model: a, region: Frankfurt (EU), context_window: 128000")
    assert (model.region, model.context_window) == ("Frankfurt (EU)", 128_000)
    assert model.base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("command", ["[python, 'my answer.py', --fast]", "python 'my answer.py' --fast"])
def test_a_command_is_a_list_or_a_line(tmp_path, command):
    spelled = command if command.startswith("[") else f'"{command}"'
    assert one(tmp_path, f"provider: command, command: {spelled}").command == ("python", "my answer.py", "--fast")


@pytest.mark.parametrize(
    "row",
    [
        "provider: vllm, model: a",
        "provider: openai, model: a, base_url: 'http://10.0.0.5/v1', api_key_env: K",
        "provider: local, weights: a",
    ],
)
def test_a_server_of_ones_own_is_paid_by_the_hour(tmp_path, row):
    assert one(tmp_path, f"{row}, gpu: {{count: 4, usd_per_hour: 1.5}}").gpu == Gpu(1.5, 4)
    assert one(tmp_path, f"{row}, gpu: {{usd_per_hour: 2}}").gpu == Gpu(2.0, 1)


def test_a_price_can_have_tiers_and_another_for_thinking(tmp_path):
    model = one(
        tmp_path,
        "provider: openai, model: a, price: {input: 1, output: 2, thinking_output: 8, "
        "tiers: [{above: 256000, input: 3, output: 6, thinking_output: 24}]}",
    )
    assert model.price is not None
    assert model.price.thinking_output == 8
    assert model.price.tiers == (PriceTier(256_000, 3, 6, thinking_output=24),)


@pytest.mark.parametrize(
    ("provider", "streams"),
    [
        ("provider: anthropic, model: a", True),
        ("provider: ollama, model: a", True),
        ("provider: local, weights: a", True),
        ("provider: bedrock, model: a, region: us-east-1", False),
        ("provider: replicate, model: a", False),
        ("provider: python, function: 'a.py:f'", False),
    ],
)
def test_answers_are_streamed_where_the_protocol_can(tmp_path, provider, streams):
    assert one(tmp_path, provider).stream is streams


def test_a_provider_can_come_from_another_package(tmp_path, monkeypatch):
    offered = {"acme": ProviderRow("acme", ("model", "base_url"))}
    monkeypatch.setattr(
        config, "offered_elsewhere", lambda names: {name: offered[name] for name in names if name in offered}
    )
    model = one(tmp_path, "provider: acme, model: a, base_url: 'https://acme.example/v1', api_key_env: ACME_KEY")
    assert (model.protocol, model.base_url, model.key_required) == ("acme", "https://acme.example/v1", True)
    assert "needs `base_url`" in problem(tmp_path, "m: {provider: acme, model: a}").message
    assert "must be one of" in problem(tmp_path, "m: {provider: acne, model: a}").message


@pytest.mark.parametrize(("typed", "near"), [("opanai", "did you mean `openai`?"), ("nobody", None)])
def test_a_provider_that_was_nearly_named_is_told(tmp_path, typed, near):
    assert problem(tmp_path, f"m: {{provider: {typed}, model: a}}").remedy == near


def test_installed_packages_are_searched_only_for_a_provider_that_the_table_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "offered_elsewhere", pytest.fail)
    assert one(tmp_path, "provider: openai, model: a").protocol == "openai"


@pytest.mark.parametrize(
    ("row", "place", "says"),
    [
        (
            "m: {provider: openai, model: a, headers: {Authorization: Bearer x}}",
            "2:45",
            "`Authorization` carries a key",
        ),
        ("m: {provider: openai, model: a, headers: {X-API-Key: x}}", "2:45", "`X-API-Key` carries a key"),
        ("m: {provider: openai, model: a, headers: {x-a: 1}}", "2:50", "must be a string"),
        ('m: {provider: openai, model: a, headers: {x-a: "a\\nb"}}', "2:50", "must be printable ASCII"),
        ("m: {provider: openai, model: a, headers: {'x a': b}}", None, "characters that a name cannot have"),
        ("m: {provider: python, function: 'a.py:f', headers: {a: b}}", "2:45", "`headers` means nothing"),
        ("m: {provider: gemini, model: a, query: {key: x}}", "2:43", "`key` carries a key"),
        ("m: {provider: bedrock, model: a}", "2:3", "needs `region`, which is part of the address"),
        ("m: {provider: bedrock, model: a, region: evil.example/}", "2:44", "cannot be part of an address"),
        ("m: {provider: openai, model: a, context_window: 0}", "2:51", "must be at least 1"),
        ("m: {provider: openai, model: a, command: a}", "2:35", "`command` means nothing"),
        ("m: {provider: command}", "2:3", "provider command needs `command`"),
        ("m: {provider: command, command: []}", "2:35", "is empty"),
        ("m: {provider: command, command: ' '}", "2:35", "cannot be read: it is empty"),
        ('m: {provider: command, command: "echo \'a"}', "2:35", "cannot be read: no closing quotation"),
        ("m: {provider: openai, model: a, gpu: {usd_per_hour: 1}}", "2:35", "its vendor is paid by the token"),
        ("m: {provider: python, function: 'a.py:f', gpu: {usd_per_hour: 1}}", "2:45", "`gpu` means nothing"),
        ("m: {provider: vllm, model: a, gpu: {count: 4}}", "2:38", "lacks the key `usd_per_hour`"),
        (
            "m: {provider: vllm, model: a, gpu: {usd_per_hour: 1}, price: {input: 1, output: 1}}",
            "2:33",
            "both `gpu` and",
        ),
        (
            "m: {provider: openai, model: a, price: {input: 1, output: 1, tiers: [{above: 9, input: 1}]}}",
            "2:72",
            "lacks the key",
        ),
        ("m: {model: a}", "2:6", "lacks the key `provider`"),
        ("m: {provider: opanai, model: a}", "2:17", "must be one of"),
        ("m: {provider: openai}", "2:3", "provider openai needs `model`"),
        ("m: {provider: azure, model: a}", "2:3", "provider azure needs `base_url`"),
        ("m: {provider: local}", "2:3", "provider local needs `weights`"),
        ("m: {provider: python}", "2:3", "provider python needs `function`"),
        ("m: {provider: openai, model: a, weights: x}", "2:35", "`weights` means nothing to provider openai"),
        ("m: {provider: openai, model: a, function: 'a.py:f'}", "2:35", "`function` means nothing"),
        ("m: {provider: openai, model: a, context_size: 512}", "2:35", "`context_size` means nothing"),
        ("m: {provider: python, function: 'a.py:f', base_url: 'http://a/v1'}", "2:45", "`base_url` means nothing"),
        ("m: {provider: local, weights: a, api_key_env: K}", "2:36", "`api_key_env` means nothing"),
        ("m: {provider: openai, model: 7}", "2:32", "must be a string, got 7"),
        ("m: {provider: openai, model: ''}", "2:32", "is empty"),
        ("m: openai", "2:6", "must be a mapping"),
        ("m:", "2:5", "must be a mapping"),
        ("'my model': {provider: openai, model: a}", None, "more than letters, digits"),
        ("m: {provider: openai, model: a, params: }", "2:43", "must be a mapping"),
        ("m: {provider: openai, model: a, params: {temperature: hot}}", "2:57", "must be a number"),
        ("m: {provider: openai, model: a, params: {temperature: -1}}", "2:57", "must be at least 0"),
        ("m: {provider: openai, model: a, params: {max_tokens: 0}}", "2:56", "must be at least 1"),
        ("m: {provider: openai, model: a, params: {response_format: yaml}}", "2:61", "json_schema"),
        ("m: {provider: openai, model: a, price: {input: 1}}", "2:42", "lacks the key `output`"),
        ("m: {provider: openai, model: a, price: {input: -1, output: 1}}", "2:50", "must be at least 0"),
        ("m: {provider: openai, model: a, price: {input: .nan, output: 1}}", "2:50", "not a finite number"),
        ("m: {provider: openai, model: a, price: 3}", "2:42", "must be a mapping"),
        ("m: {provider: openai, model: a, limits: {concurrency: 0}}", "2:57", "must be at least 1"),
        ("m: {provider: openai, model: a, limits: {concurrency: 2.5}}", "2:57", "must be a whole number"),
        ("m: {provider: openai, model: a, limits: {concurrency: many}}", "2:57", "must be a whole number, or auto"),
        ("m: {provider: openai, model: a, limits: {concurrency: true}}", "2:57", "must be a whole number, or auto"),
        ("m: {provider: openai, model: a, limits: {concurrency: }}", "2:57", "must be a whole number, or auto"),
        ("m: {provider: openai, model: a, warmup: -1}", "2:43", "must be at least 0"),
        ("m: {provider: openai, model: a, warmup: 1001}", "2:43", "must be at most 1000"),
        ("m: {provider: openai, model: a, warmup: 1.5}", "2:43", "must be a whole number"),
        ("m: {provider: openai, model: a, verify: no}", "2:43", "must be true or false"),
        ("m: {provider: local, weights: a, verify: false}", "2:36", "`verify` means nothing to provider local"),
        ("m: {provider: vllm, model: a, verify: false}", "2:33", "`verify` means nothing to http://127.0.0.1:8000/v1"),
        (
            "m: {provider: openai, model: a, verify: true, base_url: 'http://a/v1'}",
            "2:35",
            "`verify` means nothing to http://a/v1: only https has a certificate",
        ),
        ("m: {provider: openai, model: a, timeout_s: 0}", "2:46", "timeout_s"),
        ("m: {provider: openai, model: a, timeout_s: .inf}", "2:46", "not a finite number"),
        ("m: {provider: openai, model: a, api_key_env: sk-1}", "2:48", "must be the name of an environment variable"),
        ("m: {provider: openai, model: a, base_url: localhost/v1}", "2:45", "must start with http"),
        ("m: {provider: openai, model: a, base_url: 'http://a/v1?x=1'}", "2:45", "without ? or #"),
        ("m: {provider: openai, model: a, base_url: 'http://me:pw@a/v1'}", "2:45", "user name or password"),
        ("m: {provider: openai, model: a, base_url: 'http://[::1/v1'}", "2:45", "is not an address"),
        ("m: {provider: openai, model: a, base_url: 'http://a:port/v1'}", "2:45", "is not an address"),
        ("m: {provider: openai, model: a, base_url: 'http://a b/v1'}", "2:45", "is not an address"),
    ],
)
def test_a_wrong_row_is_named_with_its_place(tmp_path, row, place, says):
    error = problem(tmp_path, row)
    assert says in error.message
    assert error.where is not None
    if place is not None:
        assert str(error.where) == f"{tmp_path / 'models.yaml'}:{place}"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("base_ulr: 'http://a/v1'", "base_url"), ("api_key: sk-secret", "api_key_env"), ("parms: {}", "params")],
)
def test_an_unknown_key_is_met_with_the_likely_one(tmp_path, wrong, right):
    error = problem(tmp_path, f"m: {{provider: openai, model: a, {wrong}}}")
    assert right in (error.remedy or "")
    assert str(error.where).endswith("models.yaml:2:35")
    assert "sk-secret" not in f"{error}{error.remedy}"


def test_nested_unknown_keys_are_met_too(tmp_path):
    error = problem(tmp_path, "m: {provider: openai, model: a, price: {input: 1, ouput: 2, output: 2}}")
    assert "output" in (error.remedy or "")


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, "a: {provider: local}", "b: {provider: python}", "c: {provider: openai, model: x, weights: y}")
    assert [error.where.line for error in caught.value.errors if error.where] == [2, 3, 4]


@pytest.mark.parametrize("text", ["", "models:\n", "models: {}\n", "[]\n", "model: {}\n"])
def test_a_file_without_models_is_an_error(tmp_path, text):
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_models(path)
    assert str(path) in str(caught.value)


def test_the_same_name_twice_is_an_error(tmp_path):
    error = problem(tmp_path, "m: {provider: openai, model: a}", "m: {provider: openai, model: b}")
    assert str(error.where).endswith("models.yaml:3:3")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_models(tmp_path / "models.yaml")


@pytest.mark.parametrize("place", ["here", "here/evals", "."])
def test_the_models_file_is_found_beside_in_evals_or_above(tmp_path, place):
    start = tmp_path / "here"
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    start.mkdir(exist_ok=True)
    (tmp_path / place / "models.yaml").write_text("models: {}")
    assert find_models_file(start).resolve() == (tmp_path / place / "models.yaml").resolve()


def test_the_nearest_models_file_wins(tmp_path):
    (tmp_path / "evals").mkdir()
    for folder in (tmp_path, tmp_path / "evals"):
        (folder / "models.yaml").write_text("models: {}")
    assert find_models_file(tmp_path / "evals").resolve() == (tmp_path / "evals/models.yaml").resolve()
    assert find_models_file(tmp_path).resolve() == (tmp_path / "models.yaml").resolve()


def test_the_models_file_is_named_without_the_users_home_where_possible(tmp_path, monkeypatch):
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/models.yaml").write_text("models: {}")
    monkeypatch.chdir(tmp_path)
    assert find_models_file(Path()) == Path("evals/models.yaml")


def test_no_models_file_says_what_to_do(tmp_path):
    (tmp_path / "models.yaml").mkdir()  # a folder of that name is no models file
    with pytest.raises(ConfigError) as caught:
        find_models_file(tmp_path)
    assert "--models" in (caught.value.remedy or "")


def test_models_are_chosen_by_name_once_and_in_order(tmp_path):
    configured = load(tmp_path, "a: {provider: openai, model: x}", "b: {provider: openai, model: y}")
    assert [model.name for model in choose(["b", "a", "b"], configured, Path("models.yaml"))] == ["b", "a"]


def test_an_unknown_name_is_met_with_the_likely_one_or_all(tmp_path):
    configured = load(tmp_path, "gpt-4o: {provider: openai, model: x}", "claude: {provider: openai, model: y}")
    with pytest.raises(ConfigErrors) as caught:
        choose(["gpt-40", "zzz"], configured, Path("models.yaml"))
    close, far = caught.value.errors
    assert close.remedy == "did you mean 'gpt-4o'?"
    assert far.remedy == "configured are: gpt-4o, claude"
