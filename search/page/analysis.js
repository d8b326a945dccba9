// The page of `greenfront analyze`: its picture alone.

document.querySelectorAll("[data-grid]").forEach(mountGrid);
