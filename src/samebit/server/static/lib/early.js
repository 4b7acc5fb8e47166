// Asks for what every view needs while the modules of the page are still on their way.

import { headers } from "./key.js";

window.early = new Map(["/api/store", "/api/runs"].map((address) => [address, fetch(address, { headers: headers() })]));
