"""The progress line in the terminal: iteration, losses, iterations/s, time left."""

import io
import shutil
import sys
import time

from tqdm import tqdm

WIDEST = 120  # characters
COMPILING = "compiling the first iteration …"


class Progress:
    """A progress line, updated in place. If stdout is not a terminal, a new line is printed every 10 seconds."""

    def __init__(self, name: str, start: int, stop: int):
        self.terminal = sys.stdout.isatty()
        self.bar = tqdm(
            desc=name,
            initial=start,
            total=stop,
            unit=" it",
            file=sys.stdout if self.terminal else io.StringIO(),
            ncols=min(WIDEST, shutil.get_terminal_size().columns) if self.terminal else WIDEST,
            # The bar takes what is left of the line.
            bar_format="{desc} {n:,}/{total:,} |{bar}| {rate_noinv_fmt}, {remaining} left{postfix}",
        )
        self.printed = time.monotonic()
        if self.terminal:
            self.bar.set_postfix_str(COMPILING)
        else:
            print(f"{name}: {COMPILING}", flush=True)

    def show(self, iteration: int, losses: str) -> None:
        """Show the number of completed iterations and the losses of the last call."""
        self.bar.set_postfix_str(losses, refresh=False)
        self.bar.update(iteration - self.bar.n)
        if not self.terminal and (time.monotonic() - self.printed > 10 or self.bar.n == self.bar.total):
            print(self.bar, flush=True)
            self.printed = time.monotonic()

    def close(self) -> None:
        """Keep the line and move to the next."""
        self.bar.close()

    def __enter__(self):
        """Return the progress line. It appears with the first losses."""
        return self

    def __exit__(self, *_):
        """Close the line, also after an error."""
        self.close()
