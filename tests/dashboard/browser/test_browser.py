"""The main paths in a real browser, Debian's Chromium."""

import re
from urllib.parse import parse_qs, quote, urlsplit

from tests.dashboard.browser.hostile import HOSTILE
from tests.dashboard.browser.hostile import SESSION as EVIL

TABLE = "[data-testid=stDataFrame] canvas"
ROW = 29


def choose_row(page, number):
    """Tick a row of the table, which is a picture: by its place."""
    page.wait_for_selector(TABLE)
    page.wait_for_timeout(800)
    box = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 36 + ROW * number + ROW / 2)


def settled(page, pattern):
    """Wait until the address has a pattern."""
    page.wait_for_url(re.compile(pattern))


def go_to(page, name):
    """Click the link of another page, which is at the top.

    Links in the text have such names too, and may be there before those at the top.
    """
    page.locator("[data-testid=stTopNavLink]", has_text=name).click()


def test_filters_paging_an_open_message_its_order_and_its_links(visit, served):
    page = visit("messages")
    page.wait_for_selector(TABLE)
    search = page.get_by_role("textbox", name="Search")
    search.fill("Symbol=AAPL LastQty=60")
    search.press("Enter")
    settled(page, r"q=Symbol%3DAAPL\+LastQty%3D60")
    page.get_by_text("60 messages on this page").wait_for()

    search.fill("")
    search.press("Enter")
    page.get_by_role("button", name="Older").click()
    settled(page, r"at=")
    first = page.url
    page.get_by_role("button", name="Newer").click()
    page.wait_for_function("url => location.href != url", arg=first)

    choose_row(page, 3)
    settled(page, r"message=\d+")
    page.wait_for_selector(".ff-tree")
    told = page.locator(".ff-sentence").inner_text()
    again = visit(page.url.removeprefix(served))
    again.wait_for_selector(".ff-tree")
    assert again.locator(".ff-sentence").inner_text() == told

    for name, expected in (("Raw", ".ff-raw"), ("Around it", ".ff-table"), ("Fields", ".ff-tree")):
        again.get_by_text(name, exact=True).first.click()
        again.wait_for_selector(expected)


def test_from_a_message_to_its_order_and_back(visit, database, tmp_path):
    (row,) = database.rows(
        "select message_id from messages where cl_ord_id = 'C007' and msg_type = 'D'"
    )
    page = visit(f"messages?message={row['message_id']}")
    page.get_by_role("button", name="Its order").click()
    settled(page, r"/orders\?.*order=")
    page.wait_for_selector(".ff-lanes")
    assert page.locator(".ff-arrow").count() == 4
    assert page.locator(".ff-since", has_text="+20 ms").count() == 3
    with page.expect_download() as saved:
        page.get_by_role("button", name="Report").click()
    saved.value.save_as(tmp_path / "order.html")
    report = visit("")
    report.goto(f"file://{tmp_path / 'order.html'}")
    assert report.title() == "Order C007"
    assert report.locator(".ff-raw").count() == 4
    page.locator(".ff-lanes a").first.click()
    settled(page, rf"/messages\?message={row['message_id']}")
    page.wait_for_selector(".ff-tree")


def test_filters_go_along_to_the_next_page_and_back_comes_back(visit):
    page = visit("?from=09:10&to=09:20&session=FIX.4.4:BUYER-%3ESELLER")
    page.get_by_text("2025-01-02 09:10:00 to 2025-01-02 09:20:00 UTC").wait_for()
    assert page.locator(".ff-tile b").first.inner_text() == "20"
    go_to(page, "Messages")
    settled(page, r"/messages\?.*from=09%3A10|/messages\?.*from=09:10")
    page.get_by_text("20 messages in view").wait_for()
    page.go_back()
    page.get_by_text("2025-01-02 09:10:00 to").wait_for()


def test_a_click_on_the_next_page_while_the_first_one_loads_keeps_the_filters(visit, context):
    held = []
    drawing = re.compile(r"/(TextInput|Multiselect)\.")  # the scripts that draw the filters
    context.route(drawing, lambda route: held.append(route))
    try:
        page = visit("?q=LastQty=60&from=09:10&to=09:20&session=FIX.4.4:SELLER-%3EBUYER&type=8")
        go_to(page, "Messages")
        page.wait_for_url("**/messages*")
        go_to(page, "Orders")
        page.wait_for_url("**/orders*")
        go_to(page, "Messages")
        page.wait_for_url("**/messages*")
    finally:  # whatever became of it: the window is that of other tests too
        for route in held:
            route.continue_()
        context.unroute(drawing)
    page.get_by_text("20 messages on this page").wait_for()
    assert parse_qs(urlsplit(page.url).query) == {
        "q": ["LastQty=60"],
        "session": ["FIX.4.4:SELLER->BUYER"],
        "type": ["ExecutionReport (8)"],
        "from": ["09:10"],
        "to": ["09:20"],
    }
    page.get_by_role("textbox", name="Search").fill("")
    page.get_by_role("textbox", name="Search").press("Enter")
    settled(page, r"/messages\?(?!.*q=).*from=")
    go_to(page, "Orders")
    settled(page, r"/orders\?(?!.*q=).*from=")


def test_a_brush_over_the_bars_chooses_a_time(visit):
    page = visit("")
    chart = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")
    chart.first.wait_for()
    page.wait_for_timeout(500)
    box = chart.first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 90, steps=8)
    page.mouse.up()
    settled(page, r"from=2025-01-02.*to=2025-01-02")


def test_the_keyboard_alone_reaches_filters_and_what_they_choose(visit):
    page = visit("messages")
    page.wait_for_selector(TABLE)
    page.get_by_role("textbox", name="Search").focus()
    page.keyboard.type("OrderQty=5")
    page.keyboard.press("Enter")
    settled(page, r"q=OrderQty%3D5")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.closest('[class*=st-key-]')?.className")
        )
    for key in ("session", "type", "from", "to"):
        assert any(f"st-key-{key}" in str(one) for one in reached), key
    page = visit("")
    page.locator("a.ff-tile").first.focus()
    page.keyboard.press("Enter")
    settled(page, r"/messages")


def test_all_messages_of_a_filter_are_saved_as_files(visit):
    page = visit("messages?q=Symbol=AAPL&from=09:10&to=09:20")
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert len(lines) == 1 + 10 * 4
    assert all(",AAPL," in line for line in lines[1:])


def test_a_narrow_window_shows_everything_one_below_the_other(visit, database):
    (row,) = database.rows("select message_id from messages where cl_ord_id = 'C007' limit 1")
    for path, selector in (("", ".ff-tile"), (f"messages?message={row['message_id']}", ".ff-tree")):
        page = visit(path, width=420)
        page.locator(selector).first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 420
    assert (
        page.locator(".ff-tree").bounding_box()["y"] < page.locator(TABLE).first.bounding_box()["y"]
    )


def test_hostile_values_are_on_every_page_and_do_nothing(visit, served):
    page = visit("")
    for path, shown in (
        ("", ".ff-tile"), ("messages", TABLE), ("orders", TABLE), ("sessions", ".ff-table"),
        ("latency", ".stMarkdown"), ("quality?reason=no_msg_type", ".ff-raw"),
    ):  # fmt: skip
        page.goto(f"{served}{path}{'&' if '?' in path else '?'}session={quote(EVIL)}")
        page.locator(shown).first.wait_for(state="attached")
        for harm in ("[data-testid=stException]", ".stMainBlockContainer img", "iframe"):
            assert page.locator(harm).count() == 0, (path, harm)


def test_hostile_messages_and_orders_are_shown_whole_and_do_nothing(visit, database):
    rows = database.rows("select message_id, cl_ord_id from messages where msg_type = 'D' and"
                         " session = ? order by message_id", EVIL)  # fmt: skip
    assert [row["cl_ord_id"].encode() for row in rows] == list(HOSTILE)
    page = visit("messages")
    for row in rows[:3]:
        page.goto(page.url.partition("messages")[0] + f"messages?message={row['message_id']}")
        page.wait_for_selector(".ff-tree")
        values = page.locator(".ff-value").all_inner_texts()
        assert values.count(row["cl_ord_id"]) == 5
    page.get_by_role("button", name="Its order").click()
    page.wait_for_selector(".ff-lanes")
    assert page.locator(".stMainBlockContainer h1").count() == 0


def test_hostile_addresses_do_nothing(visit):
    for text in ("![x](http://evil.example/q.png)", "<img src=x onerror=alert(9)>"):
        page = visit(f"messages?q={quote(text)}&message={quote(text)}&from={quote(text)}")
        page.wait_for_timeout(1200)
        assert page.locator(".stMainBlockContainer img").count() == 0
