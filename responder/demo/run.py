"""`responder demo`: a service breaks, an alert fires, and the note is on the incident; everything on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from responder import app, wiring
from responder.app import Running
from responder.demo.alerting import Alerting
from responder.demo.alerting_plan import ERROR_RATIO
from responder.demo.narrator import Narrator
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from responder.demo.played_prometheus import error_ratio
from responder.demo.sample_service import SampleService
from responder.printing import printing
from responder.settings import Settings, load_settings
from responder.telemetry import Metrics, log_everything

PACK = Path(__file__).parent / "pack"
WEBHOOK_TOKEN = "demo-webhook-token"  # noqa: S105 - of the demo alone, on loopback
LISTEN = ("127.0.0.1", 8080)
HEALTHY_SECONDS = 6.0
BROKEN_SECONDS = 20.0
NOTE_WITHIN_SECONDS = 60.0
RESOLVED_WITHIN_SECONDS = 120.0
LOOK_EVERY_SECONDS = 0.2
REQUESTS = 'sum(rate(http_requests_total{service="payments"}[5s]))'
QUERIES = {
    f"100 * {ERROR_RATIO}": lambda history, at: _percent(error_ratio(history, at)),
    REQUESTS: lambda history, at: history.rate("http_requests_total", at, 5, _is_payments),
}


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that runs."""

    pagerduty: StandInPagerDuty
    service: SampleService
    daemon: Running
    alerting: Alerting


async def demo(*, real: bool | None, once: bool, narrator: Narrator) -> int:
    """Run it; 0 when the note came and said that it was over. `once`: stop then, else go on until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _stage(real=real, narrator=narrator) as stage:
        playing = asyncio.ensure_future(_play(stage, narrator))  # noqa: TID251 - raced against Ctrl-C, ended right below
        stopping = asyncio.ensure_future(stop.wait())  # noqa: TID251 - the same
        done, _ = await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        good = playing in done and playing.result()
        if not once and playing in done:
            _say_what_to_do(stage, narrator)
            await stop.wait()
        playing.cancel()
        stopping.cancel()
        narrator.head("Stopping")
    return 0 if good else 1


@asynccontextmanager
async def _stage(*, real: bool | None, narrator: Narrator) -> AsyncIterator[Stage]:
    narrator.head("Starting; everything listens on this machine only")
    async with AsyncExitStack() as stack:
        folder = _folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        pagerduty = await StandInPagerDuty.start()
        stack.push_async_callback(pagerduty.stop)
        narrator.say(f"a stand-in PagerDuty          {pagerduty.url}")
        service = await SampleService.start()
        stack.push_async_callback(service.stop)
        narrator.say(f"a sample service, payments    {service.url}")
        os.environ["DEMO_API_URL"] = service.url
        daemon = await stack.enter_async_context(_daemon(_settings(folder, pagerduty), narrator))
        narrator.say(f"responder and its PostgreSQL  {daemon.url}")
        alerting = await Alerting.start(
            sample_url=service.url,
            webhook_url=f"{daemon.url}/webhooks/alertmanager",
            webhook_token=WEBHOOK_TOKEN,
            events_url=pagerduty.events_url,
            queries=QUERIES,
            real=real,
        )
        stack.push_async_callback(alerting.stop)
        os.environ["DEMO_PROMETHEUS_URL"] = alerting.prometheus_url
        narrator.say(_who_alerts(alerting))
        yield Stage(pagerduty=pagerduty, service=service, daemon=daemon, alerting=alerting)


@asynccontextmanager
async def _daemon(settings: Settings, narrator: Narrator) -> AsyncIterator[Running]:
    metrics = Metrics()
    loaded = wiring.load_rules(settings)
    redactor = wiring.redactor_of(settings, loaded.packs, metrics)
    log_everything(as_json=False, level="info", redact=redactor.again, also=narrator.event)
    async with app.running(settings, loaded, redactor, metrics, printing()) as daemon:
        yield daemon


def _settings(folder: Path, pagerduty: StandInPagerDuty) -> Settings:
    listen = f"{LISTEN[0]}:{LISTEN[1] if _is_free(*LISTEN) else _free_port(LISTEN[0])}"
    subscription = pagerduty.subscribe(f"http://{listen}/webhooks/pagerduty")
    return load_settings(
        name="demo",
        listen=listen,
        public_url=f"http://{listen}",
        rules=PACK,
        data_dir=folder / "data",
        alertmanager_tokens=WEBHOOK_TOKEN,
        pagerduty_token=TOKEN,
        pagerduty_from=BOT_EMAIL,
        pagerduty_url=pagerduty.url,
        pagerduty_webhook_secrets=subscription.secret,
        report_stdout=False,
    )


async def _play(stage: Stage, narrator: Narrator) -> bool:
    """The play in three acts; whether it ended as it should."""
    narrator.head("The service is healthy")
    await asyncio.sleep(HEALTHY_SECONDS)
    stage.service.break_it()
    narrator.head("The service breaks: 7 % of its requests answer 5xx, /health says 503")
    if not await _until(lambda: _note(stage), NOTE_WITHIN_SECONDS):
        narrator.say("no note came; the lines above say why")
        return False
    narrator.head(f"The note, as it stands on the incident in PagerDuty ({stage.pagerduty.url})")
    narrator.block(_note(stage))
    narrator.head("Alex, who is on call, takes it on at PagerDuty, whose signed webhook tells responder")
    stage.pagerduty.acknowledge(next(iter(stage.pagerduty.account.incidents)))
    await asyncio.sleep(BROKEN_SECONDS)
    stage.service.mend()
    narrator.head("The service is mended; the same note will say so (at most one edit a minute)")
    resolved = await _until(lambda: "Resolved" in _note(stage), RESOLVED_WITHIN_SECONDS)
    narrator.head("The same note now" if resolved else "The note did not change in time; it stands as it was")
    narrator.block(_note(stage))
    return resolved and len(_notes(stage)) == 1


def _notes(stage: Stage) -> list[str]:
    return [note.content for incident in stage.pagerduty.account.incidents.values() for note in incident.notes]


def _note(stage: Stage) -> str:
    return next(iter(_notes(stage)), "")


async def _until(is_so: Callable[[], object], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110 - what it looks at is another server's state
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        return False
    return True


def _say_what_to_do(stage: Stage, narrator: Narrator) -> None:
    narrator.head("It goes on running")
    body = (
        '{"version":"4","groupKey":"{}:{alertname=\\"Mine\\"}","status":"firing","alerts":[{"status":"firing",'
        '"labels":{"alertname":"Mine"},"annotations":{},"startsAt":"2026-01-01T00:00:00Z"}]}'
    )
    incident = next(iter(stage.pagerduty.account.incidents), "")
    print(
        f"""  open    {stage.daemon.url}/               the incidents, as the person on call sees them
          {stage.pagerduty.url}/              the stand-in PagerDuty with the note
          {stage.daemon.url}/metrics        responder about itself
  take on curl -d '{{"do": "acknowledge", "incident": "{incident}"}}' {stage.pagerduty.url}/_do
  break   curl -X POST {stage.service.url}/_break
  mend    curl -X POST {stage.service.url}/_mend
  post    curl -H 'Authorization: Bearer {WEBHOOK_TOKEN}' {stage.daemon.url}/webhooks/alertmanager \\
            -d '{body}'
  stop    Ctrl-C""",
        flush=True,
    )


def _who_alerts(alerting: Alerting) -> str:
    who = (
        "Prometheus and Alertmanager, the real ones"
        if alerting.real
        else ("Prometheus' and Alertmanager's parts are played (they are not installed), bodies in their exact form")
    )
    return f"{who}  {alerting.prometheus_url} {alerting.alertmanager_url}"


def _folder() -> Path:
    """Where the embedded store lives; a dropped user must be able to enter it."""
    folder = Path(tempfile.mkdtemp(prefix="responder-demo-"))
    folder.chmod(0o755)
    return folder


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            it.bind((host, port))
        except OSError:
            return False
        return True


def _free_port(host: str) -> int:
    with socket.socket() as it:
        it.bind((host, 0))
        return int(it.getsockname()[1])


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _is_payments(labels: Mapping[str, str]) -> bool:
    return labels.get("service") == "payments"
