"""Says where the command went: `python -m unsupervised_learning.reproduce gan-notes`."""

from unsupervised_learning.training import command_line

if __name__ == "__main__":
    command_line.fail("now called python -m unsupervised_learning.reproduce gan-notes")
