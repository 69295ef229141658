// Prints KPL aggregates of npm's aws-kinesis-agg as lines of {key, data}; each user record is a few JSON lines.
// usage: node aggregate.js FROM TO, where NODE_PATH has the package
const agg = require("aws-kinesis-agg");

const [first, end] = process.argv.slice(2).map(Number);
const records = [];
for (let n = first; n < end; n += 3) {
  const lines = [];
  for (let i = n; i < Math.min(n + 3, end); i++) lines.push(JSON.stringify({ n: i, text: "Zürich ☃" }) + "\n");
  records.push({ partitionKey: `key-${n % 5}`, data: Buffer.from(lines.join("")) });
}
const step = 40;
for (let i = 0; i < records.length; i += step) {
  agg.aggregate(
    records.slice(i, i + step),
    (encoded, done) => {
      console.log(JSON.stringify({ key: encoded.partitionKey, data: Buffer.from(encoded.data).toString("base64") }));
      done();
    },
    () => {},
    (err) => {
      console.error(err);
      process.exit(1);
    },
  );
}
