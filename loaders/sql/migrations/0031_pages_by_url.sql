-- Which listing an advert's address showed before, asked when the address answers that it is gone.
create index scrape_pages_of_listings on scrape_pages (url) where source_listing_id is not null;
