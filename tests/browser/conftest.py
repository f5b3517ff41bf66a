"""Real Chromium on the real site: one browser per test run, one fresh profile per person."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from grading.models import Person
from tests.chromium import launch
from tests.conftest import PASSWORD

# Playwright's synchronous interface keeps an event loop in this thread; the tests themselves are not asynchronous.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@dataclass
class Visitor:
    """One person in a browser profile of their own, and everything that the browser complained about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, person: Person) -> None:
        self.open("/sign-in/")
        self.page.get_by_label("User name").fill(person.username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.address}/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = launch(playwright)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, live_server) -> Iterator[Callable[..., Visitor]]:
    """``visit(person, …)``: a fresh profile, signed in when a person is given; options are Playwright's."""
    contexts: list[BrowserContext] = []

    def begin(person: Person | None = None, *, width: int = 1240, **options) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        visitor = Visitor(page=context.new_page(), address=live_server.url)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitor.page.on("console", lambda line: visitor.complaints.append(line.text) if line.type == "error" else None)
        if person is not None:
            visitor.sign_in(person)
        return visitor

    yield begin
    for context in contexts:
        context.close()
