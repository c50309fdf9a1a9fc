"""What a run logs while it trains and leaves when it is finished."""
