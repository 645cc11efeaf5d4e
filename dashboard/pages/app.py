"""The pages of the dashboard: `fixfeed dashboard URI` serves this script."""

import re
from pathlib import Path

import streamlit as st

from fixfeed.dashboard import opened
from fixfeed.dashboard.filters import filter_row, keep_filters, link, messages_link
from fixfeed.dashboard.markup.report import style
from fixfeed.dashboard.markup.text import markdown
from fixfeed.dashboard.queries.quality import not_derived
from fixfeed.dashboard.search.search import SearchError, read_search
from fixfeed.dashboard.trouble import Trouble
from fixfeed.dashboard.view import View

HOME = Path(__file__).parent
PAGES = (
    ("overview", "Overview", "monitoring"),
    ("messages", "Messages", "list"),
    ("orders", "Orders", "receipt_long"),
    ("sessions", "Sessions", "lan"),
    ("latency", "Latency", "timer"),
    ("quality", "Data quality", "fact_check"),
)
_LAYOUT = """
.stMainBlockContainer { padding: 4.2rem 1.6rem 2rem; }
.stApp [data-testid="stMetricValue"] { font-size: 1.7rem; }
.stApp h3 { font-size: 1.05rem; padding: .4rem 0 .1rem; }
.ff-page { display: none; }
/* Its download has the rows of one page alone, and its search looks in these. */
[data-testid="stElementToolbar"] { display: none; }
@media (max-width: 640px) {
  .ff-page { display: block; font-size: 1.2rem; margin: 0; padding: 0; }
  .stMainBlockContainer { padding: 4rem .7rem 2rem; }
  .st-key-filters > * { flex: 1 1 9rem !important; width: auto !important; }
  .stColumn:has(.st-key-open_message) { order: -1; }
}
"""


def main() -> None:
    """Show the page that the address names."""
    # Without a file of its own the icon would be asked for from elsewhere.
    st.set_page_config(page_title="fixfeed", page_icon=str(HOME.parent / "icon.png"), layout="wide")
    pages = [
        st.Page(
            HOME / f"{name}.py",
            title=title,
            icon=f":material/{icon}:",
            default=name == "overview",
        )
        for name, title, icon in PAGES
    ]
    page = st.navigation(pages, position="top")
    keep_filters(page.url_path)
    st.set_page_config(page_title=f"{page.title} - fixfeed")
    st.html(f'<style>{style()}{_LAYOUT}</style><h2 class="ff-page">{page.title}</h2>')
    try:
        opened.database().check()
        view = st.session_state["view"] = filter_row()
        if page.url_path != "messages":
            _tell_where_the_search_counts(view)
            if view.types and page.url_path:
                st.caption("The types choose messages and the overview; they do not count here.")
            if view.sessions and page.url_path == "quality":
                st.caption("The sessions choose defects alone; the rest is of all that came in.")
            _tell_what_is_not_derived()
        page.run()
    except Trouble as trouble:
        st.error(markdown(str(trouble)), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:")
    except SearchError as error:
        _tell_search(st.session_state["view"].text, str(error))


def _tell_where_the_search_counts(view: View) -> None:
    if not view.text.strip():
        return
    try:
        read_search(view.text)
    except SearchError as error:
        _tell_search(view.text, str(error))
    address = messages_link(view)
    st.caption(f"The search chooses [messages]({address}); it does not count on this page.")


def _tell_search(text: str, error: str) -> None:
    """Tell what is wrong with a search, with the place under its line where there is one.

    A search that is one word may be an id, so orders that have it are offered.
    """
    first, *rest = error.split("\n")
    st.error(markdown(first), icon=":material/search_off:")
    if rest:
        st.code("\n".join(rest), language=None)
    word = text.strip()
    if re.fullmatch(r"[\w.:/-]+", word):
        quoted, order = link("messages", {"q": f'"{word}"'}), link("orders", {"id": word})
        st.caption(f"[Messages]({quoted}) that have {markdown(word)} anywhere in them,"
                   f" or [orders]({order}) with this id.")  # fmt: skip


def _tell_what_is_not_derived() -> None:
    behind = opened.asked(not_derived)
    if behind:
        st.info(
            f"About {behind:,} messages are not in orders, sessions and latencies yet. If no job "
            f"runs: fixfeed derive {markdown(opened.database().place)}",
            icon=":material/hourglass_top:",
        )


if __name__ == "__main__":  # as Streamlit runs it
    main()
