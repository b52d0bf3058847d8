"""A stage of one's own: two ratios that tasters look at."""

import pandas as pd

from bottling.limits import not_below
from workers import stage


@stage("ratios", queue="prep", rowwise=True)
def ratios(table: pd.DataFrame, *, floor: float = 0.01) -> pd.DataFrame:
    """The wines with colour by hue, and acid by alcohol."""
    return table.assign(
        depth=table["color_intensity"] / not_below(table["hue"], floor),
        sharpness=table["malic_acid"] / not_below(table["alcohol"], floor),
    )
