/**
 * The server: OpenAI's chat endpoint over a {@link starling.Model}, for clients that exist already.
 * Everything that comes in over the network is checked here before a question is made of it.
 */
package starling.server;
