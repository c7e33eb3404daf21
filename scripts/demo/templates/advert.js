function element(tag, className, content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const part of [content].flat()) if (part !== undefined) node.append(part);
  return node;
}

function image(path) {
  const node = element("img");
  node.src = path;
  node.alt = "";
  return node;
}

function fact({ field, label, text }) {
  const node = element("div", "", [element("dt", "", label), element("dd", "", text)]);
  node.dataset.field = field;
  return node;
}

function advertPage(advert) {
  const { texts } = advert;
  const page = element("article", "advert");
  page.dataset.listingId = advert.source_listing_id;
  page.dataset.ready = "true";
  if (advert.is_sold) page.append(element("p", "banner sold", "Sold"));
  page.append(element("h1", "title" in texts ? "title" : "", advert.heading));
  if ("price" in texts) page.append(element("p", "price", texts.price));
  if (advert.images.length) page.append(element("div", "gallery", advert.images.map(image)));
  if ("description" in texts) page.append(element("p", "description", texts.description));
  page.append(element("dl", "facts", advert.facts.map(fact)));
  if (advert.amenities.length) {
    page.append(element("ul", "amenities", advert.amenities.map((name) => element("li", "", name))));
  }
  if ("agent_name" in texts) {
    const lines = ["name", "phone", "email"].filter((line) => `agent_${line}` in texts);
    page.append(element("aside", "agent", lines.map((line) => element("p", line, texts[`agent_${line}`]))));
  }
  return page;
}

const app = document.getElementById("app");
fetch(app.dataset.source)
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
  .then((advert) => {
    document.title = `${advert.heading} – Hearthfield`;
    app.replaceChildren(advertPage(advert));
  })
  .catch((error) => app.replaceChildren(element("p", "failed", `This home could not be loaded (${error.message}).`)));
