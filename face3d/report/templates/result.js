"use strict";
(() => {
  const viewer = document.getElementById("viewer");
  const svg = document.getElementById("line");
  const label = document.getElementById("line-label");
  const models = JSON.parse(document.getElementById("models").textContent);
  const lines = JSON.parse(document.getElementById("lines").textContent);
  document.getElementById("stage").classList.add("screen");
  const neutral = models.find((model) => model.key === "neutral");
  let points = [];

  // The points of the shown measurement are hotspots without a picture; model-viewer says where they are on the screen.
  const draw = () => {
    const places = points.map((_, number) => viewer.queryHotspot(`hotspot-${number}`)).filter((found) => found);
    const path = places.map((found) => `${found.canvasPosition.x},${found.canvasPosition.y}`).join(" ");
    const ends = places.length === 2 ? places : [];
    svg.innerHTML = `<polyline points="${path}"></polyline>` + ends.map(
      (found) => `<circle cx="${found.canvasPosition.x}" cy="${found.canvasPosition.y}" r="4"></circle>`).join("");
  };
  const show = (row) => {
    viewer.querySelectorAll("[slot^=hotspot]").forEach((spot) => spot.remove());
    document.querySelectorAll("tr.shown").forEach((other) => other.classList.remove("shown"));
    points = row ? lines[row.dataset.name] : [];
    label.textContent = row ? row.dataset.shown : "";
    document.querySelectorAll(".show").forEach((button) =>
      button.setAttribute("aria-pressed", String(Boolean(row) && row.contains(button))));
    if (row) {
      row.classList.add("shown");
      const { top, bottom } = svg.getBoundingClientRect();
      if (bottom < 80 || top > innerHeight - 80) svg.parentElement.scrollIntoView({ block: "center" });
      if (viewer.src !== neutral.uri) choose(neutral);
      points.forEach((point, number) => {
        const spot = document.createElement("span");
        spot.slot = `hotspot-${number}`;
        spot.dataset.position = point.map((value) => `${value}m`).join(" ");
        viewer.append(spot);
      });
    }
    requestAnimationFrame(() => requestAnimationFrame(draw));
  };
  const choose = (model) => {
    document.getElementById(`model-${model.key}`).checked = true;
    viewer.src = model.uri;
    viewer.exposure = model.exposure;
    viewer.toneMapping = model.tone_mapping;
    viewer.alt = model.alt;
  };

  for (const model of models) {
    document.getElementById(`model-${model.key}`).addEventListener("change", () => {
      if (model !== neutral) show(null);
      choose(model);
    });
  }
  for (const row of document.querySelectorAll("#measurements tr[data-name]")) {
    if (!lines[row.dataset.name]) continue;
    row.dataset.line = "";
    const name = row.querySelector("th");
    const button = document.createElement("button");
    button.className = "show";
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.textContent = name.textContent;
    name.replaceChildren(button);
    row.addEventListener("click", () => show(row.classList.contains("shown") ? null : row));
  }
  for (const name of ["camera-change", "load"]) viewer.addEventListener(name, () => requestAnimationFrame(draw));
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(svg);
  choose(models[0]);

  // report.html#face_width opens with that measurement drawn.
  const wanted = document.querySelector(`#measurements tr[data-name="${CSS.escape(location.hash.slice(1))}"][data-line]`);
  if (wanted) show(wanted);
})();
