// The worker that wllama's code runs in. wllama makes its worker from a blob, and a worker from a blob inherits the
// page's Trusted Types; the threads that it starts from further blobs would be refused. A worker that comes from the
// network inherits nothing, so boot.js sends wllama's blob here, named in the hash. It has no logic of its own.
"use strict";

const early = [];
onmessage = (event) => early.push(event);

import(decodeURIComponent(location.hash.slice(1))).then(() => {
  for (const event of early) onmessage(event); // the imported code has set its own handler by now
});
