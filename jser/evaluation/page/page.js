"use strict";
// Hover values, arrow keys on charts, sound with a moving cursor, and tables opened for print.
// Without this script the page still shows all of it: browsers show titles and audio controls.
(() => {
  // --- what a mark says ---------------------------------------------------------------------
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  let lit = null;

  const show = (mark, x, y) => {
    if (lit !== mark) {
      if (lit) lit.classList.remove("lit");
      mark.classList.add("lit");
      lit = mark;
      tip.textContent = mark.dataset.tip;
    }
    tip.hidden = false;
    const width = tip.offsetWidth, height = tip.offsetHeight;
    const left = Math.min(Math.max(x - width / 2, 6), innerWidth - width - 6);
    const above = y - height - 14;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : y + 20}px`;
  };
  const hide = () => {
    if (lit) lit.classList.remove("lit");
    lit = null;
    tip.hidden = true;
  };

  for (const title of document.querySelectorAll(".mark > title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  for (const mark of document.querySelectorAll(".mark[title]")) {
    mark.dataset.tip = mark.title;
    mark.removeAttribute("title");
  }
  addEventListener("pointermove", (event) => {
    const mark = event.target.closest && event.target.closest("[data-tip]");
    if (mark) show(mark, event.clientX, event.clientY);
    else if (lit) hide();
  });
  addEventListener("scroll", hide, { passive: true });

  for (const chart of document.querySelectorAll(".chart")) {
    const marks = [...chart.querySelectorAll("[data-tip]")];
    if (!marks.length) continue;
    chart.setAttribute("tabindex", "0");
    let at = -1;
    const go = (to) => {
      at = Math.min(Math.max(to, 0), marks.length - 1);
      const box = marks[at].getBoundingClientRect();
      show(marks[at], box.left + box.width / 2, box.top);
    };
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) go(at + step);
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(marks.length - 1);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
    chart.addEventListener("blur", hide);
  }

  // --- sound --------------------------------------------------------------------------------
  let playing = null;
  for (const example of document.querySelectorAll(".example[data-seconds]")) {
    const audio = example.querySelector("audio");
    const plot = example.querySelector(".plot");
    const cursor = example.querySelector(".cursor");
    if (!audio || !plot || !cursor) continue;
    const seconds = Number(example.dataset.seconds);
    const name = audio.getAttribute("aria-label");
    const button = document.createElement("button");
    const clock = document.createElement("span");
    clock.className = "clock";
    button.type = "button";
    audio.controls = false;
    audio.before(button, clock);

    const draw = () => {
      const now = audio.currentTime;
      const running = !audio.paused && !audio.ended;
      cursor.hidden = now === 0 && !running;
      cursor.style.left = `${Math.min((100 * now) / seconds, 100)}%`;
      clock.textContent = `${now.toFixed(2)} of ${seconds.toFixed(2)} s`;
      button.textContent = running ? "Pause" : "Play";
      button.classList.toggle("running", running);
      button.setAttribute("aria-label", `${running ? "Pause" : "Play"} ${name}`);
      plot.setAttribute("aria-valuenow", now.toFixed(2));
      plot.setAttribute("aria-valuetext", `${now.toFixed(2)} seconds`);
      if (running) requestAnimationFrame(draw);
    };
    const seek = (to) => {
      audio.currentTime = Math.min(Math.max(to, 0), audio.duration || seconds);
      draw();
    };
    button.addEventListener("click", () => {
      if (!audio.paused) return audio.pause();
      if (playing && playing !== audio) playing.pause();
      playing = audio;
      audio.play();
    });
    for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, draw);

    plot.setAttribute("role", "slider");
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("aria-label", `Position in ${name}`);
    plot.setAttribute("aria-valuemin", "0");
    plot.setAttribute("aria-valuemax", seconds.toFixed(2));
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      seek((seconds * (event.clientX - box.left)) / box.width);
    });
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 0.1, ArrowUp: 0.1, ArrowLeft: -0.1, ArrowDown: -0.1 }[event.key];
      if (step) seek(audio.currentTime + step);
      else if (event.key === "Home") seek(0);
      else if (event.key === "End") seek(seconds);
      else if (event.key === " " || event.key === "Enter") button.click();
      else return;
      event.preventDefault();
    });
    draw();
  }

  // --- paper --------------------------------------------------------------------------------
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.paper:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
    opened = [];
  });
})();
