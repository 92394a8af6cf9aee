"""What keg-fifo refuses."""

from pourline.kit.errors import Malformed, NotFound, Rejected


class BeverageUnknown(NotFound):
    """There is no such beverage."""


class KegUnknown(NotFound):
    """There is no such keg."""


class TapUnknown(NotFound):
    """There is no such tap."""


class ItemUnknown(NotFound):
    """There is no such item."""


class SpoutUnknown(NotFound):
    """There is no such spout."""


class BeverageMismatch(Rejected):
    """The tap pours another beverage."""

    code = "beverage_mismatch"


class KegNotInStock(Rejected):
    """Only a keg in stock can be connected."""

    code = "keg_not_in_stock"


class NoKegConnected(Rejected):
    """The tap has no keg."""

    code = "no_keg_connected"


class UnitNotVolume(Rejected):
    """An item that is counted cannot be poured."""

    code = "unit_not_volume"


class PackageUnavailable(Rejected):
    """A package's part is not there in the quantity that is sold."""

    code = "package_unavailable"


class TransactionTaken(Rejected):
    """Something else than a sale moved the stock under this transaction id."""

    code = "transaction_id_taken"


class SampleOutlier(Rejected):
    """A sample does not agree with the others."""

    code = "sample_outlier"


class FactorOutOfRange(Rejected):
    """The samples give a factor that no meter has."""

    code = "factor_out_of_range"
    status = 422


class SignatureWrong(Rejected):
    """The signature is missing or wrong."""

    code = "bad_signature"
    status = 401


class SpoutInactive(Rejected):
    """The spout is deactivated."""

    code = "device_inactive"
    status = 403


class UnreadablePour(Malformed):
    """The pour breaks its contract."""
