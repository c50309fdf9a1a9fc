"""The data: where the images are found, how they are split, and which of them make up which batch."""
