// The pages in Brazilian Portuguese, keyed by the English that stands in the HTML and
// in riacho.js. What is missing here stays English.
"use strict";

const riachoTexts = {
  // titles and navigation
  "Riacho: a live log in the browser": "Riacho: um log ao vivo no navegador",
  "Log – Riacho": "Log – Riacho",
  "Numbers – Riacho": "Números – Riacho",
  "Pages": "Páginas",
  "Home": "Início",
  "Log": "Log",
  "Numbers": "Números",

  // index.html
  "A live log, as events": "Um log ao vivo, em eventos",
  "This server sends each line of a log to the browser as soon as it is written.":
    "Este servidor envia cada linha de um log ao navegador assim que ela é escrita.",
  "Now": "Agora",
  "Asking the server…": "Consultando o servidor…",
  "The server is up": "O servidor está no ar",
  "The server asks for its token": "O servidor pede o token",
  "The server does not let this page read": "O servidor não deixa esta página ler",
  "The server does not answer": "O servidor não responde",
  "Bytes": "Bytes",
  "End": "Fim",
  "Latest line": "Última linha",
  "The lines of the log, live, with buttons to start and to stop.":
    "As linhas do log, ao vivo, com botões para começar e para parar.",
  "A stream that ends: the server counts and then closes it.":
    "Um fluxo que termina: o servidor conta e depois o encerra.",
  "Routes, for any client": "Rotas, para qualquer cliente",
  "The lines of the log as events; each carries the place where it ends as its id.":
    "As linhas do log em eventos; o id de cada uma é o lugar onde ela termina.",
  "Numbers as events, and a last event that says that this was all.":
    "Números em eventos, e um último evento que avisa que acabou.",
  "A page that arrives piece by piece: streaming without events.":
    "Uma página que chega aos poucos: fluxo sem eventos.",
  "What is streamed, as JSON: name, size, and where the log begins and ends.":
    "O que é transmitido, em JSON: nome, tamanho, e onde o log começa e termina.",

  // the pages that listen
  "Listen to the log": "Ouvir o log",
  "Every line that is added to the log arrives here at once, in order.":
    "Cada linha acrescentada ao log chega aqui na hora, em ordem.",
  "Listen to numbers": "Ouvir números",
  "The server counts, one event a number, and says when it has finished.":
    "O servidor conta, um evento por número, e avisa quando termina.",
  "Lines from before": "Linhas anteriores",
  "From the start": "Desde o início",
  "All logs together": "Todos os logs juntos",
  "From": "De",
  "To": "Até",
  "Interval (s)": "Intervalo (s)",
  "Server address": "Endereço do servidor",
  "This page was opened from disk. The demo lets it in; other servers need the option --allow-origin null.":
    "Esta página foi aberta do disco. A demonstração a aceita; outros servidores precisam da opção --allow-origin null.",
  "Start listening": "Começar a ouvir",
  "Stop": "Parar",
  "Clear": "Limpar",
  "Events": "Eventos",
  "↓ Jump to the end": "↓ Ir para o fim",

  // states
  "Stopped": "Parado",
  "Connecting…": "Conectando…",
  "Listening": "Ouvindo",
  "Not connected; trying again…": "Sem conexão; tentando de novo…",
  "Finished": "Terminado",
  "No free connection: this page listens as soon as another one is closed or not looked at":
    "Sem conexão livre: esta página ouve assim que outra for fechada ou ninguém olhar para ela",
  "Nobody looks at this page: another one has its connection":
    "Ninguém olha para esta página: outra está com a conexão dela",

  // why nothing comes
  "Waiting for {name}, which {problem}.": "Aguardando {name}, que {problem}.",
  "does not exist yet": "ainda não existe",
  "is not a regular file": "não é um arquivo comum",
  "cannot be read: permission denied": "não pode ser lido: permissão negada",

  // why a stream has stopped
  "Stopped: the server does not let pages from disk read. Start it with --allow-origin null":
    "Parado: o servidor não deixa páginas do disco lerem. Inicie-o com --allow-origin null",
  "Stopped: the server cannot be reached": "Parado: o servidor está fora de alcance",
  "Stopped: the server has no more to send": "Parado: o servidor não tem mais o que enviar",
  "Stopped: the server refused, but would not do so now. Start again":
    "Parado: o servidor recusou, mas agora não recusaria. Comece de novo",
  "Stopped: the server refused: {why}": "Parado: o servidor recusou: {why}",
  "Stopped: the server asks for its token": "Parado: o servidor pede o token",
  "Enter the token": "Informar o token",

  // facts about the stream
  "Gap: {bytes} bytes can no longer be read. It goes on here.":
    "Lacuna: {bytes} bytes já não podem ser lidos. Continua daqui.",
  "Gap: the place to continue from was not found. It goes on here.":
    "Lacuna: o ponto de onde continuar não foi encontrado. Continua daqui.",
  "The log was rotated: a new file begins here.": "O log foi rotacionado: um novo arquivo começa aqui.",
  "The log was emptied: it begins anew here.": "O log foi esvaziado: ele recomeça aqui.",
  "This log is new.": "Este log é novo.",
  "This log is gone.": "Este log se foi.",
  "What writes this log was started.": "O que escreve este log foi iniciado.",
  "What writes this log {why}.": "O que escreve este log {why}.",
  "What writes this log {why}. It is started again in {again_in} seconds.":
    "O que escreve este log {why}. Será iniciado de novo em {again_in} segundos.",
  "has come to its end": "chegou ao fim",
  "has ended, and how is not known": "terminou, e não se sabe como",
  "has ended by {signal}": "terminou por {signal}",
  "has ended with exit code {code}": "terminou com o código de saída {code}",
  "has ended with exit code {code} (the shell finds no such command)":
    "terminou com o código de saída {code} (o shell não encontra esse comando)",
  "has ended with exit code {code} (the shell may not execute it, or it is no program)":
    "terminou com o código de saída {code} (o shell não pode executá-lo, ou não é um programa)",
  "{lines} lines of this log could not be kept: {why}.":
    "{lines} linhas deste log não puderam ser guardadas: {why}.",
  "The next line is not finished yet.": "A próxima linha ainda não terminou.",
  "The next line is the rest of the one above that was not finished.":
    "A próxima linha é o resto da linha acima, que não tinha terminado.",
  "Before the next line there are {bytes} NUL bytes, which are left out.":
    "Antes da próxima linha há {bytes} bytes NUL, que são omitidos.",
  "The next line has {length} bytes; only the first {sent} are shown.":
    "A próxima linha tem {length} bytes; só os primeiros {sent} são mostrados.",
  "There are too many clients. Trying again in {seconds} seconds.":
    "Há clientes demais. Nova tentativa em {seconds} segundos.",
  "The server is shutting down.": "O servidor está sendo desligado.",
  "The server has finished.": "O servidor terminou.",
};
