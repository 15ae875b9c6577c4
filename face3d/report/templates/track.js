"use strict";
(() => {
  const player = JSON.parse(document.getElementById("player").textContent);
  const viewer = document.getElementById("viewer");
  const video = document.getElementById("video");
  const slider = document.getElementById("time");
  const clock = document.getElementById("clock");
  const button = document.getElementById("play");
  const plots = document.getElementById("plots");
  const marks = [...plots.querySelectorAll(".now")];
  const width = marks.length ? marks[0].ownerSVGElement.viewBox.baseVal.width : 1;
  let now = player.first;
  let started = null;
  let ready = false;

  // The video's clock is the page's; without a video the page keeps one itself.
  const playing = () => (video ? !video.paused && !video.ended : started !== null);
  const show = (time) => {
    now = Math.min(Math.max(time, player.first), player.last);
    if (ready) viewer.currentTime = Math.min(Math.max(now, player.begin), player.end);
    slider.value = now;
    const across = (now - player.first) / (player.last - player.first) * width;
    for (const mark of marks) {
      mark.setAttribute("x1", across);
      mark.setAttribute("x2", across);
    }
    const hidden = player.gaps.some(([first, last]) => first <= now && now <= last);
    clock.value = `${now.toFixed(2)} s${hidden ? " · not seen" : ""}`;
  };
  const seek = (time) => {
    if (video) video.currentTime = Math.max(time - player.start, 0);
    if (started !== null) started = performance.now() - (time - player.first) * 1000;
    show(time);
  };
  const tick = () => {
    button.classList.toggle("playing", playing());
    button.setAttribute("aria-label", playing() ? "Pause" : "Play");
    if (!playing()) return;
    if (video) {
      show(video.currentTime + player.start);
    } else {
      show(player.first + (performance.now() - started) / 1000);
      if (now >= player.last) started = null;
    }
    requestAnimationFrame(tick);
  };
  const play = () => {
    if (now >= player.last - player.step) seek(player.first);
    if (video) {
      video.play();
    } else {
      started = performance.now() - (now - player.first) * 1000;
      tick();
    }
  };
  const pause = () => {
    if (video) video.pause();
    started = null;
    tick();
  };

  button.addEventListener("click", () => (playing() ? pause() : play()));
  slider.addEventListener("input", () => seek(slider.valueAsNumber));
  if (video) {
    for (const name of ["play", "pause", "ended"]) video.addEventListener(name, tick);
    for (const name of ["seeking", "timeupdate"]) video.addEventListener(name, () => show(video.currentTime + player.start));
    video.addEventListener("loadedmetadata", () => seek(now));
  }
  plots.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest("svg");
    if (!svg) return;
    svg.setPointerCapture(event.pointerId);
    const follow = (moved) => {
      const box = svg.getBoundingClientRect();
      seek(player.first + Math.min(Math.max((moved.clientX - box.left) / box.width, 0), 1) * (player.last - player.first));
    };
    follow(event);
    svg.onpointermove = follow;
    svg.onpointerup = svg.onpointercancel = () => { svg.onpointermove = null; };
  });
  for (const choice of document.querySelectorAll("input[name=motion]")) {
    choice.addEventListener("change", () => {
      viewer.animationName = choice.value;
      start();
    });
  }
  // An animation that was never played has no pose at a time.
  const start = () => {
    viewer.play();
    viewer.pause();
    ready = true;
    show(now);
  };
  viewer.addEventListener("load", start);
  viewer.src = JSON.parse(document.getElementById("model").textContent);

  // report.html#t=3.2 opens at that time.
  const wanted = /^#t=([\d.]+)$/.exec(location.hash);
  show(wanted ? Number(wanted[1]) : player.first);
})();
