'use strict';
// Every text of a message is set as text: nothing in it can become markup.
const kept = 500;
const list = document.getElementById('messages');
const state = document.getElementById('state');
const template = document.getElementById('message');
let run = '';
let count = 0;

function show(n) {
  count = n;
  document.getElementById('count').textContent = n === 1 ? '1 message' : n + ' messages';
  document.getElementById('empty').hidden = n > 0;
  document.title = (n > 0 ? '(' + n + ') ' : '') + 'Messages of the emulator';
}

function add(m) {
  if (m.id <= count) return;
  const item = template.content.cloneNode(true);
  const set = (selector, text) => { item.querySelector(selector).textContent = text; };
  set('h2', m.subject || '(no subject)');
  set('pre', m.body);
  set('.topic', m.topic);
  const time = item.querySelector('time');
  time.dateTime = m.at;
  time.textContent = new Date(m.at).toLocaleString();
  for (const a of m.attributes) {
    const name = document.createElement('dt');
    const value = document.createElement('dd');
    name.textContent = a.name;
    value.textContent = a.value;
    value.title = a.type;
    item.querySelector('dl').append(name, value);
  }
  const receipts = m.receipts.map((r) => [r.protocol + ' ' + r.endpoint + ': ' + r.outcome, r.outcome === 'delivered']);
  if (receipts.length === 0) receipts.push(['Nobody: the topic has no subscription.', false]);
  for (const [text, ok] of receipts) {
    const line = document.createElement('li');
    line.textContent = text;
    if (!ok) line.className = 'lost';
    item.querySelector('ul').append(line);
  }
  list.prepend(item);
  while (list.children.length > kept) list.lastElementChild.remove();
  show(m.id);
}

const events = new EventSource('events');
events.addEventListener('run', (e) => {
  if (run !== e.data) { list.replaceChildren(); show(0); }
  run = e.data;
  state.textContent = 'live';
  state.className = 'live';
});
events.onmessage = (e) => add(JSON.parse(e.data));
events.onerror = () => {
  state.textContent = 'the emulator does not answer';
  state.className = 'lost';
};
