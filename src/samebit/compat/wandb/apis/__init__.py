"""`wandb.apis`: the runs of the store, as wandb's public interface has them."""

from samebit.compat.wandb.apis import public
from samebit.compat.wandb.reading import Api

__all__ = ["Api", "PublicApi", "public"]

PublicApi = Api
