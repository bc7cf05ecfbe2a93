"""All tables of this service, so that the migrations see them."""

from services.catalog.products.models import PriceTier, Product, ProductDocument, Sku
from services.catalog.search.models import SynonymGroup
from services.catalog.taxonomy.models import Category, Commodity, Region

__all__ = ["Category", "Commodity", "PriceTier", "Product", "ProductDocument", "Region", "Sku", "SynonymGroup"]
