package starling.server;

import java.io.PrintStream;
import java.time.Duration;

/**
 * How a server is set up.
 *
 * @param host the name or address that it listens on
 * @param port 0 takes one that is free
 * @param modelName what clients call the model
 * @param key what clients must know; null if everybody may ask
 * @param remoteImages whether images are fetched from public addresses
 * @param requests what one request may cost
 * @param connections what connections may cost
 * @param grace how long questions may go on when the server is closed
 * @param log takes a line of JSON for every request
 */
public record ServerOptions(
    String host,
    int port,
    String modelName,
    ApiKey key,
    boolean remoteImages,
    RequestLimits requests,
    ConnectionLimits connections,
    Duration grace,
    PrintStream log) {}
