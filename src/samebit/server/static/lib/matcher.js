// A worker that tells which names fit a regular expression; it is ended where it takes too long.

onmessage = ({ data: { text, names } }) => {
  const pattern = new RegExp(text, "i");
  postMessage(names.filter((name) => pattern.test(name)));
};
